(() => {
  "use strict";
  const json = id => JSON.parse(document.getElementById(id).textContent);
  const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axes = layout => Object.keys(layout).filter(key => /^[xy]axis\d*$/.test(key));

  // Colours that follow the reader's light or dark setting.
  function colours(layout) {
    const found = { "font.color": ink("--ink"), "hoverlabel.bgcolor": ink("--panel"),
                    "hoverlabel.bordercolor": ink("--line"), "hoverlabel.font.color": ink("--ink"),
                    "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": ink("--soft"),
                    "modebar.activecolor": ink("--link") };
    for (const axis of axes(layout)) {
      found[axis + ".gridcolor"] = found[axis + ".linecolor"] = ink("--line");
      found[axis + ".zerolinecolor"] = ink("--soft");
    }
    return found;
  }

  // The traces of the options chosen now; what the reader hid in the legend stays hidden.
  function choose(plot) {
    const selects = [...document.querySelectorAll(`select[data-figure="${plot.id}"]`)];
    const chosen = selects.map(select => Number(select.value));
    const hidden = new Set(plot.data.filter(trace => trace.visible === "legendonly").map(trace => trace.name));
    const visible = plot.data.map(trace =>
      (trace.meta || []).every((place, i) => place === null || place === chosen[i])
        ? (hidden.has(trace.name) ? "legendonly" : true) : false);
    const change = json(plot.id + "-changes")[chosen[0]] || {};
    return Plotly.update(plot, { visible }, change);
  }

  async function start() {
    const touch = matchMedia("(pointer: coarse)").matches ? { dragmode: false } : {};  // a finger scrolls the page
    const plots = [...document.querySelectorAll(".plot")];
    for (const plot of plots) {
      const { data, layout } = json(plot.id + "-data");
      await Plotly.newPlot(plot, data, { ...layout, ...touch, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" },
                           { responsive: true, displaylogo: false, showSendToCloud: false });
      await Plotly.relayout(plot, colours(layout));
    }
    for (const select of document.querySelectorAll("select[data-figure]"))
      select.addEventListener("change", () => choose(document.getElementById(select.dataset.figure)));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const plot of plots) Plotly.relayout(plot, colours(plot.layout));
    });
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
