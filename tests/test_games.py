"""Random games are legal, and their records are about the positions that occurred."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import polars as pl
import pytest

from maou.domain.data.schema import convert_preprocessing_df_to_numpy, convert_stage2_df_to_numpy
from maou.infra.utility.features import PIECES, board_ids, move_labels, pieces_in_hand, reachable_squares
from maou.infra.utility.game_records import (
    GENERATORS,
    generate_hcpe,
    generate_preprocessing,
    generate_stage2,
)
from maou.infra.utility.games import ENDINGS, Game, play_games, replay

core = pytest.importorskip("rsshogi.core", reason="rsshogi is not installed: `pip install 'maou[shogi]'`")


def games(number: int, seed: int = 0) -> list[Game]:
    return list(itertools.islice(play_games(seed), number))


def test_every_move_is_legal_and_every_position_decodes() -> None:
    for game in games(30):
        decoded = core.Board()
        for ply, (board, position, move) in enumerate(zip(replay(game), game.positions, game.moves, strict=True)):
            assert board.is_legal_move(move)
            decoded.set_hcp(position, ply + 1)
            assert decoded.to_sfen() == board.to_sfen()
            assert len(position) == 32


def test_the_first_position_is_coded_as_apery_codes_it() -> None:
    # Side to move (0), kings on squares 44 and 36 in seven bits each, lowest first: 5i and 5a.
    code = int.from_bytes(games(1)[0].positions[0], "little")
    assert (code & 1, code >> 1 & 127, code >> 8 & 127) == (0, 44, 36)


def test_games_end_as_their_status_says() -> None:
    played = games(400)
    ends = Counter(game.status for game in played)
    assert set(ends) <= {*ENDINGS, "%ILLEGAL_MOVE"}
    assert {"%TORYO", "%SENNICHITE", "%TIME_UP"} <= set(ends)
    assert ends["%TORYO"] > 300
    for game in played:
        assert (game.result == 0) == (game.status in {"%SENNICHITE", "%JISHOGI", "%CHUDAN"})
        if game.status == "%SENNICHITE":
            assert Counter(game.positions).most_common(1)[0][1] >= 3
        if game.is_mate:
            board = core.Board()
            for move in game.moves:
                board.push_move(move)
            assert board.is_mated()
            assert game.result == (2 if board.turn.is_black() else 1)


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_same_seed_gives_the_same_records_in_frames_of_any_size(kind: str) -> None:
    generate = GENERATORS[kind]
    whole = pl.concat(generate(300, 5))
    assert whole.height == 300
    assert [frame.height for frame in generate(300, 5, batch_rows=77)] == [77, 77, 77, 69]
    assert pl.concat(generate(300, 5, batch_rows=77)).equals(whole)
    assert pl.concat(generate(120, 5, batch_rows=50)).equals(whole.head(120))
    assert not pl.concat(generate(300, 6)).equals(whole)


def test_hcpe_records_hold_the_move_that_was_played_and_believable_evaluations() -> None:
    records = pl.concat(generate_hcpe(20_000))
    assert records["id"].n_unique() == records.height
    board = core.Board()
    for position, move in records.head(500).select("hcp", "bestMove16").iter_rows():
        board.set_hcp(position)
        assert board.is_legal_move(core.AperyMove(move).to_move())

    evals = records["eval"].cast(pl.Int32).abs()
    assert (evals <= 32_000).all()
    assert 0 < (evals > 31_000).sum() < 0.05 * records.height
    # The side that is ahead wins more often.
    black = records.filter(pl.col("id").str.ends_with("0") & (pl.col("gameResult") > 0) & (evals > 300))
    ahead = black.select(((pl.col("eval") > 0) == (pl.col("gameResult") == 1)).mean()).item()
    assert 0.6 < ahead < 1
    assert records["ratings"].list.len().unique().sort().to_list() == [0, 2]


def test_labels_are_a_numbering_of_the_moves() -> None:
    labels = set()
    for game in games(200):
        for board in replay(game):
            legal = board.legal_moves()
            numbers = move_labels(legal, board.turn)
            assert len(np.unique(numbers)) == len(legal)
            labels.update(numbers.tolist())
    assert min(labels) >= 0
    assert max(labels) < 1496
    assert len(labels) > 1300


def test_labels_of_known_moves() -> None:
    # 7g7f goes up to the square 6 of file 7 (rank index 5), and 9 ranks less one go up on each file.
    board = core.Board()
    moves = {move.to_usi(): move for move in board.legal_moves()}
    (label,) = move_labels([moves["7g7f"]], board.turn)
    assert label == 6 * 8 + 5
    board.push_move(moves["7g7f"])
    # White's 3c3d is the same move, seen from the other side.
    replies = {move.to_usi(): move for move in board.legal_moves()}
    assert move_labels([replies["3c3d"]], board.turn)[0] == label
    # Drops come last: pawns, lances, knights, silvers, golds, bishops, rooks.
    held = core.Board("4k4/9/9/9/9/9/9/9/4K4 b RBG 1")
    drops = {move.to_usi(): move for move in held.legal_moves() if move.is_drop()}
    first = [drops[f"{piece}*1a"] for piece in "GBR"]
    assert move_labels(first, held.turn).tolist() == [1496 - 243, 1496 - 162, 1496 - 81]


def test_boards_are_seen_by_the_side_to_move() -> None:
    board = core.Board("4k4/9/9/9/9/9/9/9/R3K4 b 2P3p 1")
    ids, hand = board_ids(board), pieces_in_hand(board)
    assert ids[8, 8] == PIECES.index("R") + 1
    assert (ids[8, 4], ids[0, 4]) == (8, 8 + 14)
    assert (hand[0], hand[7]) == (2, 3)

    turned = core.Board("4k4/9/9/9/9/9/9/9/R3K4 w 2P3p 1")
    ids, hand = board_ids(turned), pieces_in_hand(turned)
    assert ids[0, 0] == PIECES.index("R") + 1 + 14
    assert (hand[0], hand[7]) == (3, 2)


def test_reachable_squares_are_those_of_moves_on_the_board() -> None:
    board = core.Board("4k4/9/9/9/9/9/9/9/R3K4 b P 1")
    reachable = reachable_squares(board.legal_moves(), board.turn)
    assert reachable[:8, 8].all()
    # Up the file, along the rank, and the king's, of which the rook reaches one.
    assert reachable.sum() == 8 + 3 + 5 - 1
    turned = core.Board("4k4/9/9/9/9/9/9/9/R3K4 w P 1")
    assert reachable_squares(turned.legal_moves(), turned.turn).sum() == 5


def test_preprocessing_records_are_distributions_over_legal_moves() -> None:
    records = pl.concat(generate_preprocessing(1500, 3))
    legal = pl.concat(generate_stage2(1500, 3))
    assert records["id"].equals(legal["id"])
    assert records["id"].n_unique() == records.height

    features = convert_preprocessing_df_to_numpy(records)
    shares, rates = features["moveLabel"], features["moveWinRate"]
    allowed = convert_stage2_df_to_numpy(legal)["legalMovesLabel"]
    assert records["moveLabel"].list.sum().is_close(1, abs_tol=1e-5).all()
    assert not shares[allowed == 0].any()
    assert not rates[shares == 0].any()
    assert rates.max() <= 1
    # The best move is the one that is played most; it may share its place.
    most = shares == shares.max(axis=1, keepdims=True)
    best = records["bestMoveWinRate"].to_numpy()[:, np.newaxis]
    assert (most & (rates == best)).any(axis=1).all()
    assert records["resultValue"].is_between(0, 1).all()


@pytest.mark.parametrize("kind", GENERATORS)
def test_bad_numbers_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="num_records"):
        GENERATORS[kind](-1)
    with pytest.raises(ValueError, match="batch_rows"):
        GENERATORS[kind](1, batch_rows=0)
    assert list(GENERATORS[kind](0)) == []
