"use strict";
(() => {
  const subjects = JSON.parse(document.getElementById("subjects").textContent);
  const form = document.querySelector(".filter");
  const output = form.querySelector("output");
  const total = new Set(subjects.map((one) => one[0])).size;
  const collator = new Intl.Collator("en", { numeric: true });

  /** The numbers that data-s holds: "0-3 7" is 0, 1, 2, 3 and 7. */
  const numbers = (text) =>
    text.split(" ").filter(Boolean).flatMap((part) => {
      const [first, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, place) => first + place);
    });

  const holders = [...document.querySelectorAll("[data-s]")].map((element, order) => {
    const table = element.closest("table");
    element.dataset.order = order;
    return {
      element,
      numbers: numbers(element.dataset.s),
      // Charts keep all their bars, so that what the filter leaves is seen among what it takes away.
      isRow: element.tagName === "TR" && !element.closest(".chart"),
      isPart: element.tagName === "LI" && table !== null,
      unit: table ? table.dataset.unit : "connector",
      count: element.matches("[data-n]") ? element : element.querySelector("[data-n]"),
      bar: element.querySelector("svg[data-most]"),
      text: null,
    };
  });

  /** How many connectors, or images, of those chosen *holder* is about. */
  const counted = (holder, chosen) => {
    const found = holder.numbers.filter((number) => chosen.has(number));
    return holder.unit === "image" ? found.length : new Set(found.map((number) => subjects[number][0])).size;
  };

  const draw = (holder, count) => {
    if (!holder.count) return;
    holder.count.textContent = count;
    if (holder.count.dataset.k) holder.count.dataset.k = count;
    if (holder.bar) {
      holder.bar.firstElementChild.setAttribute("width", (100 * count) / Number(holder.bar.dataset.most));
    }
    if (holder.element.tagName === "LI" && !holder.isPart) {
      const { most, tallest } = holder.element.parentElement.dataset;
      holder.element.querySelector("svg").setAttribute("height", Math.round((tallest * count) / most));
    }
  };

  /** Of a long table the first rows are shown, until the reader wants all; in print all are. */
  const shownRows = () => (matchMedia("(max-width: 52rem)").matches ? 6 : 12);
  const tables = [...document.querySelectorAll("div.table")].map((box) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "more";
    const one = { box, body: box.querySelector("tbody"), button, isWhole: box.closest(".chart") !== null };
    button.addEventListener("click", () => {
      one.isWhole = !one.isWhole;
      shorten(one);
      if (!one.isWhole) box.scrollIntoView({ block: "nearest" });
    });
    box.append(button);
    return one;
  });

  const shorten = (one) => {
    const rows = [...one.body.rows].filter((row) => !row.hidden);
    const most = shownRows();
    const isLong = rows.length > most + 3;
    rows.forEach((row, place) => row.classList.toggle("over", isLong && !one.isWhole && place >= most));
    one.button.hidden = !isLong || one.box.closest(".chart") !== null;
    one.button.textContent = one.isWhole ? "Show fewer" : `Show all ${rows.length}`;
    one.box.querySelector(".empty").hidden = rows.length > 0;
  };

  const value = (name) => (form.elements[name] ? form.elements[name].value.trim() : "");

  const filter = () => {
    const text = value("text").toLowerCase();
    const variant = value("variant");
    const platform = value("platform");
    const least = Number(value("least")) || 0;
    const isNarrowed = Boolean(variant || platform || least);
    let chosen = subjects.map((_, number) => number).filter((number) => {
      const [, its, form, points] = subjects[number];
      return (!variant || form === variant) && (!platform || its === platform) && (!least || (points ?? 0) >= least);
    });
    // A text that is in names of connectors chooses those; any other is looked for in the rows alone.
    const named = text ? chosen.filter((number) => subjects[number][0].toLowerCase().includes(text)) : chosen;
    const isName = named.length > 0;
    if (isName) chosen = named;
    const all = new Set(chosen);
    for (const holder of holders) {
      const count = counted(holder, all);
      draw(holder, count);
      if (holder.isPart) holder.element.hidden = count === 0;
      if (!holder.isRow) continue;
      let shows = holder.numbers.length ? count > 0 : !isNarrowed;
      if (shows && text && (!isName || holder.numbers.length === 0)) {
        holder.text ??= holder.element.textContent.toLowerCase();
        shows = holder.text.includes(text);
      }
      holder.element.hidden = !shows;
    }
    tables.forEach(shorten);
    const count = new Set(chosen.map((number) => subjects[number][0])).size;
    const noun = total === 1 ? "connector" : "connectors";
    output.textContent = count === total ? `${total} ${noun}` : `${count} of ${total} ${noun}`;
  };

  const keyOf = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.k ?? cell.textContent.trim();
  };

  const sort = (table, head, place) => {
    const isNumber = head.dataset.t === "number";
    const was = head.getAttribute("aria-sort");
    const isDown = was ? was === "ascending" : isNumber;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: keyOf(row, place), order: Number(row.dataset.order) }));
    const compare = (a, b) => (isNumber ? Number(a.key) - Number(b.key) : collator.compare(a.key, b.key));
    rows.sort((a, b) => (isDown ? -1 : 1) * compare(a, b) || a.order - b.order);
    body.append(...rows.map((one) => one.row));
    shorten(tables.find((one) => one.body === body));
  };

  for (const table of document.querySelectorAll("div.table > table")) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      if ("fixed" in head.dataset || !head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.dataset.title = button.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(table, head, place));
    });
  }

  // A link into what is folded, or filtered away, leads there all the same.
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target || target.checkVisibility()) return;
    if (target.hidden) form.reset();
    const holding = tables.find((one) => one.box.contains(target));
    if (holding) holding.isWhole = true;
    setTimeout(() => {
      filter();
      target.scrollIntoView();
    });
  });

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  form.hidden = false;
  filter();
})();
