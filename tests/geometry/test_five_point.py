"""The five-point verifier keeps the contract."""

from .verifier_contract import VerifierContract


class TestFivePointVerifier(VerifierContract):
    verifier = "five-point"
