"use strict";
document.documentElement.classList.add("scripted");

// Shows one option of a choice at a time, by buttons with the names of the options.
for (const choice of document.querySelectorAll(".choice")) {
  const options = [...choice.querySelectorAll(":scope > .option")];
  const bar = document.createElement("div");
  bar.className = "buttons";
  const show = (chosen) => options.forEach((option, i) => {
    option.hidden = i !== chosen;
    bar.children[i].setAttribute("aria-pressed", String(i === chosen));
  });
  options.forEach((option, i) => {
    const button = document.createElement("button");
    button.textContent = option.querySelector("h3").textContent;
    button.addEventListener("click", () => show(i));
    bar.append(button);
  });
  choice.prepend(bar);
  show(0);
}

// Sorts the rows by a column. Scores are sorted downwards first, and rows without a value stay last.
for (const heading of document.querySelectorAll("table.sortable thead th")) {
  const button = document.createElement("button");
  button.className = "sort";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    const column = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const [first, other] = column ? ["descending", "ascending"] : ["ascending", "descending"];
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const cell of heading.parentElement.cells) cell.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const number = (row) => Number(row.cells[column].dataset.value ?? NaN);
    const text = (row) => row.cells[column].textContent;
    const numeric = [...body.rows].some((row) => !Number.isNaN(number(row)));
    const compare = (a, b) => {
      if (!numeric) return sign * text(a).localeCompare(text(b), "en");
      const missing = Number.isNaN(number(a)) - Number.isNaN(number(b));
      return missing || sign * (number(a) - number(b)) || 0;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
