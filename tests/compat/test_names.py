import resift
import resift.compat


def test_the_drop_ins_have_two_addresses() -> None:
    assert resift.compat.__all__ == ["CrossEncoder", "FlagReranker"]
    assert resift.FlagReranker is resift.compat.FlagReranker
    assert resift.CrossEncoder is resift.compat.CrossEncoder
