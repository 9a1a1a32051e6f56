"""Timelines as data: each rule opens, just does not, meets its exact edge, closes, and hears of things late."""
