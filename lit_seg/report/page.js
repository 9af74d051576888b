"use strict";
document.documentElement.classList.add("scripted");

// One of several at a time.
for (const choice of document.querySelectorAll(".choice")) {
  const buttons = [...choice.querySelectorAll(":scope > .buttons > button")];
  const show = (chosen) => {
    for (const button of buttons) {
      const on = button === chosen;
      button.setAttribute("aria-pressed", String(on));
      document.getElementById(button.getAttribute("aria-controls")).hidden = !on;
    }
  };
  for (const button of buttons) button.addEventListener("click", () => show(button));
  show(buttons[0]);
}

// Rows by a column: first descending, for scores; what has no value stays last.
for (const button of document.querySelectorAll("button.sort")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const column = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const first = column === 0 ? "ascending" : "descending";
    const other = column === 0 ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const cell of heading.parentElement.cells) cell.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => {
      const cell = row.cells[column];
      if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
      return column === 0 ? cell.textContent : NaN;
    };
    const rows = [...body.rows].map((row, place) => ({ row, place, key: key(row) }));
    rows.sort((a, b) => {
      if (typeof a.key === "string") return sign * a.key.localeCompare(b.key, "en");
      const none = Number.isNaN(a.key) - Number.isNaN(b.key);
      if (none || Number.isNaN(a.key) || a.key === b.key) return none || a.place - b.place;
      return sign * (a.key < b.key ? -1 : 1);
    });
    body.append(...rows.map(({ row }) => row));
  });
}
