from stilts_utils.tables import harmless


def test_declarations_hold_for_their_code_alone(tmp_path):
    assert harmless.as_declared(tmp_path, "a.py", "new") == "new"
    one = {"root": "a.py", "now": "new", "then": "old", "why": "a name"}
    harmless.declare(tmp_path, [one])
    assert harmless.as_declared(tmp_path, "a.py", "new") == "old"
    assert harmless.as_declared(tmp_path, "b.py", "new") == "new"
    assert harmless.as_declared(tmp_path, "a.py", "newer") == "newer"
    harmless.declare(tmp_path, [one | {"why": "another"}, one | {"root": "b.py"}])
    assert [one["why"] for one in harmless.declared(tmp_path)] == ["another", "a name"]
