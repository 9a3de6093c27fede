// What a viewer has chosen, kept by the browser: theme, time zone, sound and notifications.

const CHOICES = { theme: "auto", times: "venue", sound: "off", notify: "off" };
const keyOf = (name) => `microbot-${name}`;

export function chosen(name) {
  try {
    return localStorage.getItem(keyOf(name)) ?? CHOICES[name];
  } catch {
    return CHOICES[name];
  }
}

export function choose(name, value) {
  try {
    localStorage.setItem(keyOf(name), value);
  } catch {
    // a browser that keeps nothing shows it until it is closed
  }
}
