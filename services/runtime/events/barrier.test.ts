import { expect, test } from "vitest";
import { createBarrier, type Arrival } from "./barrier.ts";

const arrival = (streamSequence: number, deliverySequence: number, repeated = false): Arrival => ({
  streamSequence,
  deliverySequence,
  repeated,
});
const sequences = (items: Arrival[]): number[] => items.map((item) => item.streamSequence);

test("without a gap everything goes through at once", () => {
  const barrier = createBarrier({ deliveredSoFar: 0, unacknowledged: 0, waitMs: 100, nowMs: 0 });
  expect(sequences(barrier.arrive(arrival(7, 1), 0))).toEqual([7]);
  expect(sequences(barrier.arrive(arrival(9, 2), 0))).toEqual([9]);
});

test("what a predecessor left unacknowledged is waited for, and comes first", () => {
  const barrier = createBarrier({ deliveredSoFar: 10, unacknowledged: 2, waitMs: 100, nowMs: 0 });
  expect(barrier.arrive(arrival(30, 11), 1)).toEqual([]);
  expect(barrier.arrive(arrival(22, 12, true), 2)).toEqual([]);
  expect(sequences(barrier.arrive(arrival(21, 13, true), 3))).toEqual([21, 22, 30]);
  expect(sequences(barrier.arrive(arrival(31, 14), 4))).toEqual([31]);
});

test("a delivery that went elsewhere in the middle holds back what comes after it", () => {
  const barrier = createBarrier({ deliveredSoFar: 0, unacknowledged: 0, waitMs: 100, nowMs: 0 });
  expect(sequences(barrier.arrive(arrival(1, 1), 0))).toEqual([1]);
  expect(barrier.arrive(arrival(3, 3), 1)).toEqual([]);
  expect(sequences(barrier.arrive(arrival(2, 4, true), 2))).toEqual([2, 3]);
});

test("a repeat that never comes is not waited for without end", () => {
  const barrier = createBarrier({ deliveredSoFar: 0, unacknowledged: 1, waitMs: 100, nowMs: 0 });
  expect(barrier.arrive(arrival(5, 1), 10)).toEqual([]);
  expect(barrier.expire(99)).toEqual([]);
  expect(sequences(barrier.expire(100))).toEqual([5]);
  expect(sequences(barrier.arrive(arrival(6, 2), 101))).toEqual([6]);
});

test("a repeat of what has arrived before, whose acknowledgement was lost, lets nothing through", () => {
  const barrier = createBarrier({ deliveredSoFar: 0, unacknowledged: 0, waitMs: 100, nowMs: 0 });
  expect(sequences(barrier.arrive(arrival(1, 1), 0))).toEqual([1]);
  expect(barrier.arrive(arrival(3, 3), 1)).toEqual([]);
  expect(barrier.arrive(arrival(1, 4, true), 2)).toEqual([]);
  expect(sequences(barrier.arrive(arrival(2, 5, true), 3))).toEqual([1, 2, 3]);
});
