"""The style of a run's page: light and dark by the reader's own setting, readable on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6778; --line: #d9dee7; --paper: #fff; --block: #f5f7fa;
  --retrieve: #8a94a6; --propose: #3b82f6; --critique: #d97706; --synthesize: #8b5cf6; --execute: #0d9488;
  --adjudicate: #16a34a; --apply: #0f766e; --bad: #dc2626; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8f0; --soft: #98a3b5; --line: #303845; --paper: #12161d;
  --block: #1a2029; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; margin: 0; } h1 small, .facts { color: var(--soft); font-weight: 400; }
h1 small { font-size: 14px; } h2 { margin: 36px 0 8px; font-size: 19px; } h3, h4, h5 { margin: 16px 0 6px; }
.task { font-size: 17px; white-space: pre-wrap; } .facts { font-size: 13px; }
.warning { border-left: 3px solid var(--critique); padding: 4px 10px; background: var(--block); }
pre { background: var(--block); padding: 10px 12px; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; max-height: 480px; overflow: auto; }
pre.answer { font: inherit; max-height: none; }
details { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; margin: 8px 0; }
summary { cursor: pointer; } .fall { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin-top: 12px; }
td, th { padding: 3px 12px 3px 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
td:nth-child(n+4), th:nth-child(n+4) { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; min-width: 640px; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .tick { fill: var(--soft); text-anchor: middle; font-size: 11px; }
svg .engine { fill: var(--soft); text-anchor: end; font-size: 11px; } svg .grid { stroke: var(--line); }
svg .bar { fill: var(--propose); } svg .reading { fill: #000; opacity: .22; }
svg .retrieve { fill: var(--retrieve); } svg .critique { fill: var(--critique); }
svg .synthesize { fill: var(--synthesize); } svg .execute { fill: var(--execute); }
svg .adjudicate { fill: var(--adjudicate); } svg .apply { fill: var(--apply); }
svg .dropped, svg .failed { fill: var(--bad); } svg .open, svg .interrupted { opacity: .45; }
.ins { color: #16a34a; } .del { color: #dc2626; } .at { color: var(--soft); }
@media print { details { break-inside: avoid; } pre { max-height: none; } }
"""
