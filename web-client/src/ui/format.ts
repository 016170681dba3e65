/** Dates, times and lengths as a branch secretary writes them. Wall times are µs UTC. */

type T = (key: string, named?: Record<string, unknown>) => string;

const two = (value: number) => String(value).padStart(2, "0");
const dateOf = (us: number) => new Date(us / 1_000);

export function formatDay(us: number, t: T): string {
  const day = dateOf(us);
  return t("time.day", { year: day.getFullYear(), month: day.getMonth() + 1, day: day.getDate(), monthName: t(`time.months.${day.getMonth()}`) });
}

export function formatWeekday(us: number, t: T): string {
  return t(`time.weekdays.${dateOf(us).getDay()}`);
}

/** 2026年11月21日 19:00 */
export function formatMoment(us: number, t: T): string {
  return `${formatDay(us, t)} ${formatTime(us)}`;
}

/** 19:00 */
export function formatTime(us: number): string {
  const time = dateOf(us);
  return `${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** 19:00:42 */
export function formatClock(us: number): string {
  return `${formatTime(us)}:${two(dateOf(us).getSeconds())}`;
}

/** 1:02:03 or 12:05, for players. */
export function formatOffset(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3_600);
  const rest = `${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** 1小时5分, 12分, 40秒 */
export function formatSpan(seconds: number, t: T): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("time.seconds", { n: whole });
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? t("time.minutesSeconds", { n: minutes, s: whole % 60 }) : t("time.minutes", { n: minutes });
  return t("time.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

/** 937 → 93.7% */
export function formatPermille(permille: number): string {
  return `${(permille / 10).toFixed(1)}%`;
}

export function isSameDay(a: number, b: number): boolean {
  return dateOf(a).toDateString() === dateOf(b).toDateString();
}

/** The part of a name that a tile shows without a picture: 王建国 → 建国, Lu → L. */
export function initials(name: string): string {
  return /[\u4e00-\u9fff]/.test(name) ? name.slice(-2) : name.slice(0, 1).toUpperCase();
}
