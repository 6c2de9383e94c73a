"""Comparing targets with their source: what was converted is read back and held against what it was made from."""

from converters.verification.report import Check, TargetVerification, VerifyMode, VerifyReport
from converters.verification.verify import check_verify_mode, verify

__all__ = ["Check", "TargetVerification", "VerifyMode", "VerifyReport", "check_verify_mode", "verify"]
