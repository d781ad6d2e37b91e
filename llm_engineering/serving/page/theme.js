// Runs before the page is drawn, so that a chosen theme does not flash. No choice: the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is blocked: the system's theme then
    }
  };
  const keep = (theme) => {
    try {
      if (theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      return; // the choice then holds until the page is left
    }
  };
  const apply = (theme) => {
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  const isDark = () => {
    const { theme } = document.documentElement.dataset;
    return theme ? theme === "dark" : system.matches;
  };
  apply(stored());
  window.chatTheme = Object.freeze({
    isDark,
    /** Switch between light and dark; the system's own theme is followed again, not kept. */
    toggle() {
      const wanted = isDark() ? "light" : "dark";
      const chosen = (wanted === "dark") === system.matches ? null : wanted;
      apply(chosen);
      keep(chosen);
    },
    onSystemChange: (listener) => system.addEventListener("change", listener),
  });
})();
