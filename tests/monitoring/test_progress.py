from rlp_core.monitoring.progress import StepLog, tail_means


class Tracker:
    def __init__(self):
        self.seen = []

    def metrics(self, values, step=None):
        self.seen.append((step, values))


def test_rows_hold_no_time_and_the_tracker_gets_the_speed(tmp_path, capsys):
    tracker = Tracker()
    log = StepLog("rlp", 4, tracker, log_every=2)
    for value in (3.0, 2.0, 1.5, 1.0):
        log.step({"loss": value}, tokens=10, flops=100)
    log.close(tmp_path / "steps.csv")
    assert (tmp_path / "steps.csv").read_text() == "step,loss\n1,3.0\n2,2.0\n3,1.5\n4,1.0\n"
    assert [step for step, _ in tracker.seen] == [1, 2, 3, 4]
    assert tracker.seen[0][1]["tokens_per_second"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["rlp: step 2/4", "rlp: step 4/4"]
    assert "tokens/s" in lines[0]
    assert "s left" in lines[0]


def test_what_the_last_steps_do_not_tell_is_that_of_the_last_step_that_does():
    rows = [{"step": i, "loss": float(i)} for i in range(1, 41)]
    rows[10]["true_gain"], rows[30]["true_gain"] = 1.0, 3.0
    found = tail_means(rows)
    assert found == {"final_loss": 38.5, "final_true_gain": 3.0}
    rows[38]["true_gain"] = 4.0
    assert tail_means(rows)["final_true_gain"] == 4.0


def test_a_loop_without_steps_leaves_a_header(tmp_path):
    log = StepLog("base", 0, Tracker(), 10)
    log.close(tmp_path / "steps.csv")
    assert (tmp_path / "steps.csv").read_text() == "step,loss\n"
