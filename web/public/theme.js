// Sets the theme before anything is painted, so that a dark room stays dark. A file of its own, as the page's policy
// allows no script inside HTML.
try {
  const theme = localStorage.getItem('hob.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's choice holds.
}
