export type Panel = "people" | "chat" | "agenda" | "ballots";
export const PANELS: readonly Panel[] = ["people", "chat", "agenda", "ballots"];
