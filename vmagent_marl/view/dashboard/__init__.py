"""The dashboard: recorded and fresh episodes, runs and data sets, watched in a browser."""
