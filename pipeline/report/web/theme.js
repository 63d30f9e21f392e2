'use strict';
// Light and dark, on every page.

const at = id => document.getElementById(id);

/** Follows the system's light or dark theme until the button is pressed; then redraws everything. Prints are white. */
function startTheme(drawAll) {
  const root = document.documentElement;
  root.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  const change = theme => { root.dataset.theme = theme; drawAll(); };
  at('theme').addEventListener('click', () => change(root.dataset.theme === 'dark' ? 'light' : 'dark'));
  // Charts are drawn in the theme's ink.
  let onScreen = root.dataset.theme;
  addEventListener('beforeprint', () => { onScreen = root.dataset.theme; change('light'); });
  addEventListener('afterprint', () => change(onScreen));
}
