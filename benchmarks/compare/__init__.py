"""One task through each toolkit: same files, in alternation, answers checked, beside a plain C limit."""
