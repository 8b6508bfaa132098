"""The look of the evolution page: one style sheet, light and dark."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #e1e4ea; --ink: #1b2130; --soft: #626b7d; --arrow: #a3abba;
  --active: #16915a; --active-wash: #e3f6ec; --updated: #4a63d3; --updated-wash: #e8edfd;
  --superseded: #b2730a; --superseded-wash: #fdf1dc; --deleted: #cf3d52; --deleted-wash: #fde8ea;
  --shadow: 0 1px 2px rgb(20 28 46 / 6%), 0 6px 18px rgb(20 28 46 / 6%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10131a; --card: #191e28; --line: #2b3240; --ink: #e7eaf1; --soft: #99a3b5; --arrow: #5a6477;
    --active: #4cc78d; --active-wash: #14352a; --updated: #8fa3ff; --updated-wash: #222b52;
    --superseded: #e6ab4b; --superseded-wash: #3b2c12; --deleted: #f3808f; --deleted-wash: #431c25;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 6px 18px rgb(0 0 0 / 25%);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 36px 40px 56px; background: var(--page); color: var(--ink);
  font: 14px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main, header { max-width: 1608px; margin: 0 auto; }
h1 { margin: 0; font-size: 26px; letter-spacing: -.02em; }
h2 { margin: 26px 0 14px; font-size: 17px; letter-spacing: -.01em; }
p { margin: 0; }
a { color: inherit; text-decoration: none; }
.sub { color: var(--soft); margin-top: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0 4px; padding: 0; list-style: none; }
.legend .off { opacity: .45; }
.chip {
  display: inline-flex; align-items: center; gap: 7px; padding: 2px 10px; border-radius: 99px;
  background: var(--wash); color: var(--tone); font-size: 12px; font-weight: 600; white-space: nowrap;
}
.chip::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: var(--tone); }
.active { --tone: var(--active); --wash: var(--active-wash); }
.updated { --tone: var(--updated); --wash: var(--updated-wash); }
.superseded { --tone: var(--superseded); --wash: var(--superseded-wash); }
.deleted { --tone: var(--deleted); --wash: var(--deleted-wash); }
.scroll { overflow-x: auto; margin: 0 -40px; padding: 4px 40px 12px; }
.canvas { position: relative; margin: 0 auto; }
.canvas svg { position: absolute; inset: 0; overflow: visible; pointer-events: none; }
.canvas path.arrow { fill: none; stroke: var(--arrow); stroke-width: 1.75; }
.canvas marker path { fill: var(--arrow); }
.card {
  position: absolute; display: flex; flex-direction: column; gap: 6px; padding: 12px 14px 10px 16px;
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  box-shadow: var(--shadow), inset 3px 0 0 var(--tone); overflow: hidden;
}
.card:hover, .card:focus-visible { border-color: var(--tone); outline: none; }
.top { display: flex; justify-content: space-between; align-items: center; gap: 8px; font-size: 12px; }
.name { font-weight: 700; }
.top .name { margin-right: auto; color: var(--soft); }
.date, .foot { color: var(--soft); font-size: 12px; white-space: nowrap; }
.card ul {
  margin: 0; padding: 0; list-style: none; flex: 1; min-height: 0; overflow: hidden;
  font-size: 13.5px; line-height: 1.38;
}
.card li {
  position: relative; padding-left: 16px; margin-bottom: 3px; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
}
.card.ended li { color: var(--soft); }
.card li::before { position: absolute; left: 1px; content: "\\00b7"; color: var(--soft); font-weight: 700; }
.card li.added { font-weight: 600; }
.card li.added::before { content: "+"; color: var(--active); }
.card li.gone { text-decoration: line-through; text-decoration-color: var(--deleted); }
.card li.gone::before { content: "\\2212"; color: var(--deleted); }
.foot { color: var(--soft); font-size: 12px; white-space: nowrap; }
.head {
  font-weight: 600; line-height: 1.35; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
}
.more {
  margin: 0; padding: 0; list-style: none; color: var(--soft); font-size: 12.5px; flex: 1; min-height: 0;
}
.more li { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.more li::before { content: "· "; }
.foot { display: flex; justify-content: space-between; gap: 8px; }
.op {
  display: inline-block; padding: 1px 8px; border-radius: 6px;
  background: var(--card); border: 1px solid var(--line); color: var(--soft);
  font-size: 10px; font-weight: 700; letter-spacing: .04em; white-space: nowrap;
}
.canvas .op { position: absolute; transform: translate(-50%, -50%); }
.steps { margin: 0; padding: 0; list-style: none; display: grid; gap: 10px; }
.steps > li, details {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px;
}
.line { display: flex; flex-wrap: wrap; align-items: center; gap: 10px; }
.why { color: var(--soft); margin-top: 6px; overflow-wrap: anywhere; }
.facts { margin: 8px 0 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.facts li { padding-left: 20px; position: relative; }
.facts li::before { position: absolute; left: 2px; font-weight: 700; color: var(--tone); }
.facts .added { --tone: var(--active); }
.facts .added::before { content: "+"; }
.facts .gone { --tone: var(--deleted); color: var(--soft); }
.facts .gone::before { content: "\\2212"; }
.facts .kept { color: var(--soft); --tone: var(--soft); }
.facts .kept::before { content: "="; }
details + details { margin-top: 8px; }
summary { cursor: pointer; }
summary .chip { margin: 0 8px; }
pre {
  margin: 12px 0 2px; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 12.5px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
details:target { border-color: var(--tone); }
.none { padding: 60px 0; text-align: center; color: var(--soft); }
@media print { body { background: none; } .card, .steps > li, details { break-inside: avoid; } }
"""
