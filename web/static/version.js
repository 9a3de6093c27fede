// A page that stayed open while the dashboard was upgraded: its own files are not there any more under their version.

/** Reload the page if its server has other files now. */
export async function reloadIfReplaced() {
  const answer = await fetch(import.meta.url, { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (answer?.status === 404) location.reload();
}
