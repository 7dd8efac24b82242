// How long this page took to come, shown at its foot.
addEventListener("load", () => {
  const [entry] = performance.getEntriesByType("navigation");
  const took = document.querySelector("#took");
  if (entry && took) took.textContent = `First byte of this page after ${Math.round(entry.responseStart - entry.requestStart)} ms.`;
});
