(() => {
  "use strict";
  const page = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (page.dataset.theme ? page.dataset.theme === "dark" : dark.matches);
  const named = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  const stored = (value) => {
    try {
      if (value) { localStorage.setItem("task-audit-theme", value); }
      return localStorage.getItem("task-audit-theme");
    } catch { return value; }
  };
  const before = stored();
  if (before === "dark" || before === "light") { page.dataset.theme = before; }
  theme.addEventListener("click", () => {
    page.dataset.theme = isDark() ? "light" : "dark";
    stored(page.dataset.theme);
    named();
  });
  dark.addEventListener("change", named);
  theme.hidden = false;
  named();

  const table = document.getElementById("table");
  if (!table) { return; }
  page.classList.add("js");
  const sites = all("tbody.site");
  const form = document.getElementById("filters");
  const status = document.getElementById("shown");
  const none = document.getElementById("none");
  const tasks = new Map();
  for (const task of all("a.task")) {
    const id = task.dataset.site;
    tasks.set(id, [...(tasks.get(id) || []), task]);
  }

  const open = (site, wanted) => {
    site.querySelector(".more").hidden = !wanted;
    site.classList.toggle("open", wanted);
    site.querySelector(".opener").setAttribute("aria-expanded", String(wanted));
  };
  for (const site of sites) {
    const label = site.querySelector(".opener");
    const opener = document.createElement("button");
    opener.type = "button";
    opener.className = label.className;
    opener.textContent = label.textContent;
    label.replaceWith(opener);
    open(site, false);
    site.querySelector(".head").addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) { return; }
      open(site, !site.classList.contains("open"));
    });
  }

  const words = new Map();
  const wordsOf = (site) => {
    if (!words.has(site)) {
      const text = site.querySelector(".head").textContent + " " + site.querySelector(".facts").textContent;
      words.set(site, text.replace(/\s+/g, " ").toLowerCase());
    }
    return words.get(site);
  };
  const filter = () => {
    const wanted = new FormData(form);
    const text = String(wanted.get("text")).trim().toLowerCase();
    const verdicts = new Set(wanted.getAll("verdict"));
    const code = wanted.get("code");
    const part = wanted.get("part");
    let count = 0;
    for (const site of sites) {
      const data = site.dataset;
      const fits = verdicts.has(data.verdict) && (!code || data.codes.split(" ").includes(code)) &&
        (!part || data.part === part) && (!text || wordsOf(site).includes(text));
      site.hidden = !fits;
      for (const task of tasks.get(site.id) || []) { task.classList.toggle("out", !fits); }
      count += fits ? 1 : 0;
    }
    const total = sites.length + (sites.length === 1 ? " site" : " sites");
    status.textContent = count === sites.length ? total : count + " of " + total;
    none.hidden = count > 0;
  };
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 60);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  form.hidden = false;

  const order = new Intl.Collator("en", { numeric: true });
  const sort = (head) => {
    const key = head.dataset.key;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("th", table)) { other.removeAttribute("aria-sort"); }
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    sites.sort((one, other) => {
      const [a, b] = [one.dataset[key], other.dataset[key]];
      if (!a !== !b) { return a ? -1 : 1; }
      return (up ? 1 : -1) * order.compare(a, b) || one.dataset.place - other.dataset.place;
    });
    table.append(...sites);
  };
  for (const head of all("th", table)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
  }

  const go = () => {
    const site = document.getElementById(location.hash.slice(1));
    if (!site || !site.matches("tbody.site")) { return; }
    if (site.hidden) {
      form.reset();
      filter();
    }
    open(site, true);
    site.scrollIntoView({ block: "start" });
    site.querySelector(".opener").focus({ preventScroll: true });
  };
  addEventListener("hashchange", go);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#s']");
    if (link && link.getAttribute("href") === location.hash) { go(); }
  });
  addEventListener("beforeprint", () => { for (const site of sites) { open(site, true); } });
  go();
})();
