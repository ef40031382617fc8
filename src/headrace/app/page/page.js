// Draws the charts that the page carries as JSON, in the colours that its style sheet has now.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const settings = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };

  function colours(layout) {
    const style = getComputedStyle(document.documentElement);
    const [ground, text, line] = ["--ground", "--text", "--line"].map((name) => style.getPropertyValue(name).trim());
    const axis = { gridcolor: line, linecolor: line, tickcolor: line };
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 13, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: ground, bordercolor: line, font: { color: text } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: text },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
    };
  }

  function draw() {
    for (const [id, chart] of Object.entries(charts)) {
      Plotly.react(id, chart.data, colours(chart.layout), settings);
    }
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
