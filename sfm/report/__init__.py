"""Pictures and self-contained HTML pages that show a map, and how several maps differ."""
