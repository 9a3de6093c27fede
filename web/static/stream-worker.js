// The one event stream of a browser: all its tabs share this worker. A browser opens no more than six connections to a
// host, so a stream for each tab would leave none for a command.

import { Link } from "./link.js";
import { Store } from "./store.js";

const store = new Store();
const tabs = new Map(); // port -> whether its page can be seen, and which symbol it shows
let heardAt = 0;

function tell(message) {
  for (const [port, { visible }] of tabs) {
    if (visible) port.postMessage(message);
  }
}

const link = new Link({
  heard: (events, at) => {
    heardAt = at;
    for (const [event, data] of events) store.apply(event, data);
    tell({ events, heardAt });
  },
  turned: (now) => {
    store.link = now;
    tell({ link: now });
  },
  refused: () => tell({ refused: true }),
});

/** Keep the stream while a page can be seen, and have it report on the symbols that pages show. */
function follow() {
  const seen = [...tabs.values()].filter(({ visible }) => visible);
  if (!seen.length) {
    link.close();
    return;
  }
  link.look([...new Set(seen.map(({ look }) => look).filter(Boolean))].sort());
  link.open();
}

self.onconnect = ({ ports: [port] }) => {
  tabs.set(port, { visible: false, look: "" });
  port.onmessage = ({ data: { visible, look, gone } }) => {
    const tab = tabs.get(port);
    if (gone || !tab) tabs.delete(port);
    else {
      if (visible && !tab.visible) port.postMessage({ whole: store.loaded ? { ...store } : null, link: store.link, heardAt });
      Object.assign(tab, { visible, look });
    }
    follow();
  };
};
