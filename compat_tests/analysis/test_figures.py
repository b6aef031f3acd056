"""The style that all figures share."""

from __future__ import annotations

import io

from aenet_py.analysis import figures


def shown_ticks(values: list[float], logarithmic: bool = False) -> tuple[list[float], list[str]]:
    """Places and labels of the ticks of a panel with these values."""
    _, ((axis,),) = figures.panels()
    axis.plot(values, values)
    figures.values_run(axis, values, logarithmic)
    return axis.get_xticks().tolist(), [label.get_text() for label in axis.get_xticklabels()]


def test_ticks_are_at_the_values_run():
    assert shown_ticks([30, 10, 30, 300], logarithmic=True) == ([10, 30, 300], ["10", "30", "300"])


def test_labels_do_not_overlap():
    places, labels = shown_ticks([1000, 1001, 2000])
    assert places == [1000, 1001, 2000]
    assert labels == ["1000", "", "2000"]


def test_numbers_as_labels():
    assert figures.number_labels([0.0001, 5, 20000]) == ["0.0001", "5", "20,000"]


def test_all_text_has_the_sizes_of_the_style():
    figure, ((axis,),) = figures.panels()
    axis.plot([1e6, 1e6 + 1], [1e-7, 2e-7], label="line")
    axis.set(title="title", xlabel="time (ps)", ylabel="energy (eV)")
    axis.legend(title="legend", fontsize=20)
    figures.finish(figure)
    figure.savefig(io.BytesIO(), format="png")
    assert {text.get_fontsize() for text in (axis.title, axis.xaxis.label, axis.yaxis.label)} == {figures.LABEL}
    assert {label.get_fontsize() for label in axis.get_xticklabels()} == {figures.TICK}
    assert [text.get_fontsize() for text in axis.get_legend().get_texts()] == [figures.LEGEND]
    assert not axis.get_legend().get_frame_on()
    assert axis.xaxis.get_offset_text().get_text() == axis.yaxis.get_offset_text().get_text() == ""
