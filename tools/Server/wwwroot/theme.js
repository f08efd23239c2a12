// Runs before the first paint, so that the page does not flash in the other colours.
const stored = localStorage.getItem('llama4.theme');
document.documentElement.dataset.theme = stored === 'light' || stored === 'dark' ? stored : 'auto';
