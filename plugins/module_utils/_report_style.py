# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The look of a report, on a screen by day and night, on a phone and on paper."""

from __future__ import annotations

STYLE = """
:root {
  --paper: #fcfcfa; --raised: #f3f4f1; --ink: #1c2329; --quiet: #59646e; --rule: #dde0dc;
  --bar: #3f7391; --ok: #22694a; --warning: #855300; --failed: #b0261d; --down: rgb(176 38 29 / 13%);
  --body: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", "DejaVu Sans Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14191d; --raised: #1d2429; --ink: #e5e9ec; --quiet: #9da9b3; --rule: #2e373d;
    --bar: #6ba3c4; --ok: #7fc8a0; --warning: #e3b25f; --failed: #f28d84; --down: rgb(242 141 132 / 18%);
  }
}
* { box-sizing: border-box; margin: 0; padding: 0; }
html { color-scheme: light dark; text-size-adjust: 100%; -webkit-text-size-adjust: 100%; }
body {
  max-width: 66rem; margin: 0 auto; padding: 3rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 var(--body); font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; text-wrap: balance; }
h2 { margin: 3rem 0 .75rem; font-size: 1.15rem; font-weight: 600; }
h3 { margin: 1.25rem 0 .35rem; font-size: .875rem; font-weight: 600; color: var(--quiet); }
code, pre { font-family: var(--mono); font-size: .875em; }
pre { padding: .75rem 1rem; border-radius: .4rem; background: var(--raised); white-space: pre-wrap; }
pre code { font-size: 1em; }
ul { padding-left: 1.25rem; }
.over, .note, dt, footer { color: var(--quiet); font-size: .875rem; }
.over { margin-bottom: .5rem; }
.state { margin-top: .9rem; }
.badge {
  display: inline-block; padding: .1rem .75rem; border: 1.5px solid; border-radius: 1rem;
  font-size: .875rem; font-weight: 600;
}
.ok { color: var(--ok); }
.warning { color: var(--warning); }
.failed { color: var(--failed); }
.open { color: var(--bar); }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); gap: 1.25rem 2rem;
  margin-top: 2rem; padding: 1.25rem 0; border: solid var(--rule); border-width: 1px 0;
}
.figures dd { font-size: 1.5rem; line-height: 1.35; font-weight: 600; }
.figures .note { font-size: .875rem; font-weight: 400; text-wrap: balance; }
.error { margin-top: 2.5rem; padding: 1.25rem 1.5rem 1.5rem; border-left: 4px solid; background: var(--raised); }
.error h2 { margin-top: 0; }
.error pre { background: var(--paper); color: var(--ink); }
.error p { color: var(--ink); }

.chart svg { display: block; overflow: visible; }
.timeline {
  width: calc(100% - 12ch - 6rem); margin: 0 5rem 0 calc(12ch + 1rem);
  font: .8125rem var(--body); font-variant-numeric: tabular-nums;
}
.timeline text { fill: var(--ink); }
.timeline .name { text-anchor: end; dominant-baseline: central; }
.timeline .seconds { dominant-baseline: central; }
.timeline .seconds.failed { fill: var(--failed); font-weight: 600; }
.timeline .tick { fill: var(--quiet); text-anchor: middle; font-size: .75rem; }
.timeline .grid { stroke: var(--rule); }
.bar { fill: var(--bar); stroke: var(--bar); stroke-width: 2px; stroke-linejoin: round; }
.bar.failed { fill: var(--failed); stroke: var(--failed); }
.bar.skipped, .bar.other { fill: var(--paper); stroke: var(--quiet); }
.bar.unfinished { fill: var(--paper); stroke-dasharray: 4 3; }
.down { fill: var(--down); }
.down-edge { stroke: var(--failed); }
.timeline .down-label { fill: var(--failed); text-anchor: middle; font-weight: 600; }
.deadline { stroke: var(--ink); stroke-width: 1.5px; stroke-dasharray: 5 4; }
figcaption { margin-top: 1rem; color: var(--quiet); font-size: .875rem; }
.meter { width: 100%; margin-top: .4rem; }
.meter .bar { stroke: none; }
.track { fill: var(--rule); }

p + table, table + .note { margin-top: .5rem; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { padding: .45rem 1.25rem .45rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-size: .8125rem; font-weight: 600; white-space: nowrap; }
tbody th { min-width: 7.75rem; font-weight: 600; }
td.text { white-space: pre-line; }
.number { text-align: right; white-space: nowrap; }
.result { font-weight: 600; white-space: nowrap; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 3rem; }
.facts > div { display: flex; gap: 1rem; padding: .4rem 0; border-bottom: 1px solid var(--rule); }
.facts dt { flex: 0 0 6rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 2rem; }
footer { margin-top: 4rem; }

@media screen and (max-width: 62rem) {
  th, td { padding-right: .75rem; }
}
@media screen and (max-width: 46rem) {
  body { padding: 1.5rem 1.15rem 3rem; }
  h1 { font-size: 1.45rem; }
  h2 { margin-top: 2.5rem; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1.25rem; }
  .figures dd { font-size: 1.25rem; }
  .error { padding: 1rem; }
  table, tbody, tbody th { display: block; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
  tr { display: flex; flex-wrap: wrap; gap: 0 1.1rem; padding: .6rem 0; border-bottom: 1px solid var(--rule); }
  tbody th { flex: 0 0 100%; }
  th, td { padding: 0; border: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-label) " "; color: var(--quiet); font-size: .8125rem; font-weight: 400; }
}

@page { size: A4; margin: 16mm 15mm; }
@media print {
  :root { --paper: #fff; }
  html { color-scheme: light; font-size: 9pt; }
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { margin-top: 1.75rem; break-after: avoid; }
  section:not(.error), tr, .figures { break-inside: avoid; }
  .facts, .pair { grid-template-columns: 1fr 1fr; }
  .figures { grid-template-columns: repeat(4, 1fr); }
}
"""
