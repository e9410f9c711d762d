// Figures as people read them: three digits, with a unit that no line break parts from them, and a dash where there is
// none.

export const NONE = "–";
export type Maybe = number | null | undefined;

function digits(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(value.toFixed(places)));
}

function known(value: Maybe): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

export function seconds(value: Maybe): string {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "0\u00a0s";
  if (size < 1e-6) return `${digits(value * 1e9)}\u00a0ns`;
  if (size < 1e-3) return `${digits(value * 1e6)}\u00a0µs`;
  if (size < 1) return `${digits(value * 1e3)}\u00a0ms`;
  if (size < 120) return `${digits(value)}\u00a0s`;
  if (size < 7200) return `${digits(value / 60)}\u00a0min`;
  if (size < 172_800) return `${digits(value / 3600)}\u00a0h`;
  return `${digits(value / 86_400)}\u00a0d`;
}

export function count(value: Maybe): string {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return `${digits(value / 1e9)}\u00a0G`;
  if (size >= 1e6) return `${digits(value / 1e6)}\u00a0M`;
  if (size >= 1e5) return `${digits(value / 1e3)}\u00a0k`;
  return digits(value);
}

export function rate(value: Maybe): string {
  return known(value) ? `${count(value)}/s` : NONE;
}

/** `value` in percent already. */
export function percent(value: Maybe): string {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size > 0 && size < 0.01) return value > 0 ? "<\u00a00.01\u00a0%" : ">\u00a0-0.01\u00a0%";
  return `${size >= 10 ? Number(value.toFixed(1)) : Number(value.toFixed(2))}\u00a0%`;
}

/** `value` as 0..1. */
export function ratio(value: Maybe): string {
  return known(value) ? percent(value * 100) : NONE;
}

/** A ratio that is held against an objective, as 0..1. More digits where objectives lie, and none of it rounded up: what
 * missed its objective must not read as if it had not. */
export function availability(value: Maybe): string {
  if (!known(value)) return NONE;
  const scale = value >= 0.99 ? 1000 : 10;
  // 99.99 % is 0.9998999999999999 once it was divided by 100; a millisecond of 30 days is more than what is added here.
  return `${Math.floor(value * 100 * scale + 1e-6) / scale}\u00a0%`;
}

export function mebibytes(value: Maybe): string {
  if (!known(value)) return NONE;
  if (value >= 1024) return `${digits(value / 1024)}\u00a0GiB`;
  if (value > 0 && value < 1) return `${digits(value * 1024)}\u00a0KiB`;
  return `${digits(value)}\u00a0MiB`;
}

/** A figure of the API by the unit that it names. */
export function withUnit(value: Maybe, unit: string): string {
  switch (unit) {
    case "seconds": return seconds(value);
    case "1/s": return rate(value);
    case "ratio": return ratio(value);
    case "percent": return percent(value);
    case "MiB": return mebibytes(value);
    case "MiB/s": return known(value) ? `${mebibytes(value)}/s` : NONE;
    default: return count(value);
  }
}

/** How much `now` differs from `before`: "+12 %". */
export function change(now: Maybe, before: Maybe): string {
  if (!known(now) || !known(before) || before === 0) return NONE;
  const difference = (now / before - 1) * 100;
  if (Math.abs(difference) < 0.5) return "±\u00a00\u00a0%";
  if (difference > 900) return `×\u00a0${digits(now / before)}`;
  return `${difference > 0 ? "+" : "−"}${digits(Math.round(Math.abs(difference)))}\u00a0%`;
}

const two = (value: number): string => String(value).padStart(2, "0");

export function clock(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** With the date where it is not today's. */
export function moment(ms: number): string {
  const date = new Date(ms);
  if (date.toDateString() === new Date().toDateString()) return clock(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms)}`;
}

/** The end has its day where that is another than the begin's. */
export function stretch(fromMs: number, toMs: number): string {
  const sameDay = new Date(fromMs).toDateString() === new Date(toMs).toDateString();
  return `${moment(fromMs)} to ${sameDay ? clock(toMs) : moment(toMs)}`;
}
