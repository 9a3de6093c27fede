// Where things are, wherever the page is served.

import assert from "node:assert/strict";
import { test } from "node:test";

import { url } from "../../../web/static/urls.js";

test("an address is beside the folder of the static files", () => {
  assert.equal(new URL(url("api/state")).pathname, new URL("../../../web/api/state", import.meta.url).pathname);
});
