"""The files that Hudi's metadata table is made of: HFiles, and log files of blocks."""
