export type Panel = "people" | "chat" | "agenda" | "ballots" | "roll";
/** `roll`, the attendance list, is for chair and recorder. */
export const PANELS: readonly Panel[] = ["people", "roll", "chat", "agenda", "ballots"];
