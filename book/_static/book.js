// What the theme leaves out for readers without a mouse or a screen.
const SCROLLING = ".pst-scrollable-table-container, .bd-article figure, .bd-article pre, .bd-article mjx-container, .output_area";

// What scrolls by itself can be reached by keyboard.
function reachable() {
  for (const region of document.querySelectorAll(SCROLLING)) {
    if (region.scrollWidth > region.clientWidth + 1) region.tabIndex = 0;
    else if (region.tabIndex === 0) region.removeAttribute("tabindex");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  // A button is called what it shows, and a fold what it folds.
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
  for (const summary of document.querySelectorAll("nav summary")) {
    const entry = summary.closest("li")?.querySelector("a");
    summary.setAttribute("aria-label", `Pages below ${entry?.textContent.trim() ?? "this one"}`);
  }
  // A folded output is called by the words that it shows.
  for (const summary of document.querySelectorAll("details.hide summary")) summary.removeAttribute("aria-label");
  // Works are entries of a bibliography, which a plain list may not hold.
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
});
addEventListener("load", reachable);
addEventListener("resize", reachable);
