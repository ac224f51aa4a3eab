(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll("figure.plot")];

  // Colours are names of the style sheet; JSON strings of that form are theirs alone or harmless.
  const read = (script, style) =>
    JSON.parse(script.textContent.replace(/"var\((--[a-z0-9-]+)\)"/g, (_, name) => `"${style.getPropertyValue(name).trim()}"`));

  // What the pointer finds in a mesh is in the page once, and laid out for every figure that shows it.
  const grids = {};
  const grid = (id, style) => {
    if (!grids[id]) {
      const { across, high, cells, words } = read(document.getElementById(id), style);
      grids[id] = Array.from({ length: high }, () => new Array(across).fill(null));
      cells.forEach((cell, i) => { grids[id][Math.floor(cell / across)][cell % across] = words[i]; });
    }
    return grids[id];
  };

  const draw = (figure, onPaper) => {
    const style = getComputedStyle(document.documentElement);
    const canvas = figure.querySelector(".canvas");
    const { data, layout, config } = read(figure.querySelector("script"), style);
    if (figure.dataset.words) data[0].customdata = grid(figure.dataset.words, style);
    Object.assign(layout, onPaper ? { width: canvas.clientWidth, height: canvas.clientHeight } : { autosize: true });
    return Plotly.react(canvas, data, layout, config).then(() => {
      // Buttons that only the pointer sees are no stops for the keyboard.
      canvas.querySelectorAll("button").forEach((button) => { button.tabIndex = -1; });
    });
  };
  const redraw = (onPaper = false) => Promise.all(figures.map((figure) => draw(figure, onPaper)));

  const fit = () => figures.forEach((figure) => Plotly.Plots.resize(figure.querySelector(".canvas")));

  redraw().then(() => { document.documentElement.dataset.drawn = Math.round(performance.now()); });
  dark.addEventListener("change", () => redraw());
  addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); redraw(true); });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); redraw().then(fit); });
})();
