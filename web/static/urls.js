// Where the server is: a page may stand below a path of a proxy, and a worker has no page to be relative to.

const script = import.meta.url;
const root = script.slice(0, script.lastIndexOf("/static/") + 1);

/** The address of something that the server offers, such as `api/state`. */
export const url = (path) => new URL(path, root).href;
