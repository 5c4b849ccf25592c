"use strict"

// Tables: a click on a heading sorts the rows. The detail of a row moves with it.
const value = (row, column) => {
  const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim()
  return text === "" ? null : isNaN(text) ? text.toLowerCase() : Number(text)
}

function compare(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0
  return typeof a === "number" ? -1 : 1
}

function sort(heading) {
  const table = heading.closest("table"), body = table.tBodies[0], column = heading.cellIndex
  const down = heading.getAttribute("aria-sort") === "ascending"
  const groups = [...body.querySelectorAll(":scope > tr.row")].map((row) => [row, document.getElementById(row.dataset.detail)])
  const known = groups.filter(([row]) => value(row, column) !== null)
  const unknown = groups.filter(([row]) => value(row, column) === null) // always last
  known.sort(([a], [b]) => (down ? -1 : 1) * compare(value(a, column), value(b, column)))
  for (const [row, detail] of [...known, ...unknown]) body.append(...[row, detail].filter(Boolean))
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort")
  heading.setAttribute("aria-sort", down ? "descending" : "ascending")
}

for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sort(button.parentElement))

for (const row of document.querySelectorAll("tr.row[data-detail]")) {
  row.addEventListener("click", () => {
    const detail = document.getElementById(row.dataset.detail)
    detail.hidden = !detail.hidden
    row.querySelector("button.open").setAttribute("aria-expanded", String(!detail.hidden))
  })
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.from)
    try {
      await navigator.clipboard.writeText(source.textContent)
    } catch { // a browser may not let a page from disk use the clipboard
      getSelection().selectAllChildren(source)
      document.execCommand("copy")
    }
    button.textContent = "Copied"
  })
}

// Each table can be saved as it is shown, with the numbers in full.
function asCsv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const rows = [...table.rows].filter((row) => !row.matches(".detail"))
  const texts = (row) => [...row.cells].map((cell) => quoted(cell.dataset.value ?? cell.textContent.trim().replace(/\s+/g, " ")))
  return rows.map((row) => texts(row).join(",") + "\n").join("")
}

for (const button of document.querySelectorAll("button.csv")) {
  button.addEventListener("click", () => {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([asCsv(document.getElementById(button.dataset.table))], {type: "text/csv"}))
    link.download = `${button.dataset.name}.csv`
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  })
}

const dialog = document.querySelector("dialog"), large = dialog.querySelector("img")
for (const button of document.querySelectorAll("figure button.zoom")) {
  const image = button.querySelector("img")
  button.addEventListener("click", () => {
    large.src = image.src
    large.alt = image.alt
    dialog.showModal()
  })
}
dialog.addEventListener("click", () => dialog.close())

// Bokeh gives the handle of a slider no name, which screen readers need.
function nameSliders(root) {
  for (const handle of root.querySelectorAll(".noUi-handle")) {
    const title = root.querySelector(".bk-slider-title")?.textContent ?? ""
    handle.setAttribute("aria-label", title.split(":")[0].trim() || "Slider")
  }
  for (const element of root.querySelectorAll("*")) if (element.shadowRoot) nameSliders(element.shadowRoot)
}

// A viewer is built when it comes near the view, because it unpacks some megabytes.
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    observer.unobserve(entry.target)
    const item = document.getElementById(entry.target.dataset.item)
    Bokeh.embed.embed_item(JSON.parse(item.textContent), entry.target.id).then(() => {
      nameSliders(entry.target)
      entry.target.classList.add("ready")
    })
  }
}, {rootMargin: "600px"})
for (const place of document.querySelectorAll(".viewer[data-item]")) observer.observe(place)
