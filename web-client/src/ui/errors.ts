/** What a person is told: the server's own sentence when it has one (it speaks Chinese), otherwise one for the code. */
import { i18n } from "@/i18n";
import type { RequestError } from "@/protocol/errors";

export function sentenceOf(error: RequestError, t: (key: string) => string): string {
  const local = error.code === "disconnected" || error.code === "timeout" || error.code === "network";
  const chinese = i18n.global.locale.value === "zh-CN";
  if (chinese && !local && error.message && /[\u4e00-\u9fff]/.test(error.message)) return error.message;
  return t(`errors.${error.code}`);
}
