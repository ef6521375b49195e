// The tasks of the tests: always the same ones, around the week in which the tests run.

const NAMES = [
  "信用卡升级回访", "车险续保提醒", "贷款到期通知", "新客户满意度调查", "会员积分清零提醒", "体检预约确认",
  "Credit card upgrade", "Car insurance renewal", "Loan due notice", "Customer survey", "Loyalty points reminder", "Check-up booking",
];
const HOUR = 3_600_000;

// The same instant for the whole run, also when a worker is restarted; and a time zone of the browser in which no day ends
// within a quarter of an hour of it.
process.env.E2E_NOW ??= String(Date.now());
const NOW = Number(process.env.E2E_NOW);
const isLate = new Date(NOW + 8 * HOUR).getUTCHours() === 23 && new Date(NOW).getUTCMinutes() >= 45;
export const ZONE = isLate ? "Asia/Tokyo" : "Asia/Shanghai";
const OFFSET = (isLate ? 9 : 8) * HOUR;

/** Number of tasks. This week has more than the chart of hours reads one by one. */
export const COUNT = 6000;
/** Number of tasks of each status, in the order of the statuses, as the tabs show it. */
export const STATUSES = ["pending", "running", "paused", "completed", "stopped", "failed"];

/** The first instant of today in the tests' zone. */
export function today(): number {
  return Date.parse(dayName()) - OFFSET;
}

/** Today in the tests' zone, like 2026-03-01. */
export function dayName(): string {
  return new Date(NOW + OFFSET).toISOString().slice(0, 10);
}

export interface Task {
  task_id: string;
  name: string;
  start_time: string;
  end_time: string;
  status: string;
  progress: number;
  target: string[];
  target_results?: { customer_id: string; state: string; attempt: number; time: string }[];
}

export function tasks(): Task[] {
  return Array.from({ length: COUNT }, (_, n) => task(n));
}

function task(n: number): Task {
  // Most tasks are spread over the days of this week; a tenth are older.
  const day = n % 10 === 9 ? -(n % 300) - 1 : n % 7;
  const start = today() + day * 24 * HOUR + (8 + ((n * 7) % 11)) * HOUR + (n % 4) * 900_000;
  const status = STATUSES[(n * 5 + Math.floor(n / 12)) % 6] ?? "pending";
  const target = Array.from({ length: 1 + (n % 12) }, (_, c) => `cust${1000 + ((n * 13 + c) % 900)}`);
  const isOver = status === "completed";
  return {
    task_id: `T${String(n).padStart(6, "0")}`,
    name: `${NAMES[n % NAMES.length]} #${n}`,
    start_time: new Date(start).toISOString(),
    end_time: new Date(start + (1 + (n % 3)) * HOUR).toISOString(),
    status,
    progress: isOver ? 100 : status === "pending" ? 0 : (n * 17) % 100,
    target,
  };
}
