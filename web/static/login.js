// Opens the dashboard: hands in the secret of the address's fragment, or the one that is typed.

import { url } from "./urls.js";

const KEY = "microbot-login";

const form = document.getElementById("login");
const input = document.getElementById("secret");
const said = document.getElementById("said");

/** Take the secret out of the address bar, where it could be seen, copied or remembered. */
function fromAddress() {
  const found = /^#secret=(.+)$/.exec(location.hash);
  if (location.hash) history.replaceState(null, "", location.pathname);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}

async function open(secret) {
  said.textContent = "opening…";
  try {
    const answer = await fetch(url("api/login"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ secret }),
    });
    if (answer.ok) location.replace(url(""));
    else said.textContent = answer.status === 401 ? "That is not the secret of this dashboard." : (await answer.json()).error;
  } catch {
    said.textContent = "The dashboard does not answer. Does the bot still run?";
  }
}

/** A browser that was let in before keeps its cookie back when a link of another site leads here: go there from here. */
async function comeBack() {
  if (sessionStorage.getItem(KEY)) sessionStorage.removeItem(KEY);
  else if ((await fetch(url("api/login")).catch(() => null))?.ok) {
    sessionStorage.setItem(KEY, "once");
    location.replace(url(""));
  }
}

function begin() {
  const secret = fromAddress();
  if (secret) open(secret);
  return secret;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  open(input.value.trim());
});
addEventListener("hashchange", begin);
if (!begin()) comeBack();
dispatchEvent(new Event("pagestarted"));
