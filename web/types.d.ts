// What TypeScript cannot know by itself of the page that it checks.

interface Window {
  /** Put there by `vendor/lightweight-charts.js`, unless that could not be loaded. */
  LightweightCharts?: typeof import("lightweight-charts");

  /** Of a worker that tabs share: one connects. */
  onconnect: (event: MessageEvent) => void;
}

// What an id or a selector stands for is written in the page's HTML.
interface Document {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  getElementById(id: string): any;
}
interface ParentNode {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  querySelector(selectors: string): any;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  querySelectorAll(selectors: string): NodeListOf<any>;
}
