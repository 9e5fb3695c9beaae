"""The ruler: scrape → tsdb → promql → rule → dispatch → notify, with api as the only window on the street."""
