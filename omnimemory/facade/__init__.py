"""The published facade in parts: one module for each group of calls; ``omnimemory.sdk`` joins them."""
