"""Spark sessions for the tests: one in the test process, and one each in a child process for older versions of Hudi.

Two versions of one connector cannot share a Java process.  What a child needs is imported from here alone, so that it
starts without the other engines.
"""
