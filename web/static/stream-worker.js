// The one event stream of a browser: all its tabs share this worker. A browser opens no more than six connections to a
// host, so a stream for each tab would leave none for a command.

import { Link } from "./link.js";
import { Store } from "./store.js";

const store = new Store();
const tabs = new Map(); // port -> whether its page can be seen
let connected = false;
let heardAt = 0;

function tell(message) {
  for (const [port, visible] of tabs) {
    if (visible) port.postMessage(message);
  }
}

const link = new Link(
  (event, data) => {
    connected = true;
    heardAt = Date.now();
    store.apply(event, data);
    tell({ event, data, heardAt });
  },
  () => {
    connected = false;
    tell({ lost: true });
  },
  () => tell({ refused: true }),
);

/** Keep the stream while anybody looks. */
function follow() {
  if ([...tabs.values()].some(Boolean)) link.open();
  else {
    link.close();
    connected = false;
  }
}

self.onconnect = ({ ports: [port] }) => {
  tabs.set(port, false);
  port.onmessage = ({ data: { visible, gone } }) => {
    if (gone) tabs.delete(port);
    else tabs.set(port, visible);
    if (visible) port.postMessage({ whole: store.loaded ? { ...store } : null, connected, heardAt });
    follow();
  };
};
