// Where things are: every address is relative to the page's own, under whatever path that is served.

const PAGE = new URL("../../", import.meta.url); // this file is static/VERSION/urls.js of it

/** Return the address of "api/state" or the like, for a page and for a worker alike. */
export const at = (path) => new URL(path, PAGE).href;
