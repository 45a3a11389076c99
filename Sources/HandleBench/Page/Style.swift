/// How the page looks.
enum Style {
  static let text = light + dark + layout

  private static let light = """
    :root {
      --back: #ffffff; --card: #f5f6f8; --text: #1c2127; --quiet: #57606a; --line: #d4d9df;
      --met: #17703a; --missed: #b3261e;
      --plot-1: #3d454e; --plot-2: #e3e6ea; --plot-3: #2f9e5b; --plot-4: #d1453b;
      --plot-10: #1f6feb; --plot-11: #6b7280; --plot-12: #b45309; --plot-13: #7c3aed;
      --plot-14: #0e7c86; --plot-15: #be185d; --plot-16: #4d7c0f; --plot-17: #92400e;
      --plot-18: #0f766e; --plot-19: #4338ca;
    }

    """

  private static let dark = """
    @media screen and (prefers-color-scheme: dark) {
      :root {
        --back: #14171b; --card: #1e2329; --text: #e4e8ec; --quiet: #9aa4af; --line: #39414a;
        --met: #5ccf8a; --missed: #ff8a80;
        --plot-1: #c3cad2; --plot-2: #2f363e; --plot-3: #3fb56f; --plot-4: #f06a60;
        --plot-10: #6cb0ff; --plot-11: #a3adb8; --plot-12: #f2a65a; --plot-13: #b99cff;
        --plot-14: #4fc7d1; --plot-15: #ff8fb8; --plot-16: #a5cf5b; --plot-17: #d9a066;
        --plot-18: #5eead4; --plot-19: #a5b4fc;
      }
    }

    """

  private static let layout = """
    body {
      margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--back); color: var(--text);
      font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
    }
    h1 { font-size: 1.6rem; margin: 0.5rem 0 1rem; }
    h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
    h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
    a { color: inherit; }
    .cards, .plots {
      display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr));
      align-items: start;
    }
    article { background: var(--card); border-radius: 8px; padding: 1rem; min-width: 0; }
    article h2 { font-size: 1.1rem; margin: 0 0 0.5rem; }
    article ul { margin: 0; padding-left: 1.2rem; }
    article > :last-child { margin-bottom: 0; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 0.75rem; }
    dt { color: var(--quiet); }
    dd { margin: 0; min-width: 0; }
    .met { color: var(--met); }
    .missed { color: var(--missed); }
    figure { margin: 0; min-width: 0; }
    figcaption { font-size: 0.85rem; color: var(--quiet); }
    figcaption b { color: var(--text); display: block; font-size: 0.95rem; }
    figure svg { display: block; width: 100%; max-width: 34rem; height: auto; }
    .legend {
      list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1rem;
      font-size: 0.85rem;
    }
    .series-0 { color: var(--plot-10); }
    .series-1 { color: var(--plot-11); }
    .series-2 { color: var(--plot-12); }
    .series-3 { color: var(--plot-13); }
    .series-4 { color: var(--plot-14); }
    .series-5 { color: var(--plot-15); }
    .series-6 { color: var(--plot-16); }
    .series-7 { color: var(--plot-17); }
    .series-8 { color: var(--plot-18); }
    .series-9 { color: var(--plot-19); }
    .legend li, article li, dd, h2, h3, figcaption { min-width: 0; overflow-wrap: anywhere; }
    .scroll { overflow-x: auto; margin: 0.5rem 0 1rem; }
    table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
    th, td {
      text-align: left; vertical-align: top; padding: 0.3rem 0.9rem 0.3rem 0;
      border-bottom: 1px solid var(--line);
    }
    th { font-weight: 600; min-width: 5rem; max-width: 16rem; }
    td { max-width: 48rem; }
    tbody th { font-weight: 400; min-width: 8rem; position: sticky; left: 0; background: var(--back); }
    td data, td strong, .item { white-space: nowrap; }
    td > small { display: block; color: var(--quiet); }
    .item { display: inline-block; margin-right: 0.9rem; }
    .item small { color: var(--quiet); }
    code { font-size: 0.8rem; }
    summary { cursor: pointer; margin: 0.5rem 0; }
    footer { margin-top: 3rem; color: var(--quiet); font-size: 0.85rem; }
    @media print {
      body { max-width: none; padding: 0; font-size: 10pt; }
      figure, article, tr { break-inside: avoid; }
      h2, h3 { break-after: avoid; }
      .scroll { overflow: visible; }
      table { font-size: 7pt; }
      th, tbody th { min-width: 0; }
      th, td { padding-right: 0.4rem; }
      td data { white-space: normal; }
    }
    """
}
