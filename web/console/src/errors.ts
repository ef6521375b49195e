// Error messages in the viewer's language.

import { Code, type FieldViolation, ServiceReason, type TaskError } from "@outbound-tasks/client";
import { ERROR_WORDS } from "./error-words";
import { lang, number, t } from "./i18n";
import { type Word, WORDS } from "./words";

function words() {
  return ERROR_WORDS[lang.get()];
}

/** Fills the {placeholders} of a sentence; formats whole numbers as the viewer writes them. */
function filled(text: string, blanks: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = blanks[name] ?? "";
    return /^-?\d{1,15}$/.test(value) ? number(Number(value)) : value;
  });
}

/** Why a call failed. */
export function errorText({ code, reason, metadata }: TaskError): string {
  const { errors, codes } = words();
  const text = reason in errors ? errors[reason as keyof typeof errors] : codes[Code[code] as keyof typeof codes];
  return filled(text ?? codes.Unknown, metadata);
}

/** The console's name of a field of tasks, or the API's name if the console has none. */
export function fieldName(field: string): string {
  const key = field.match(/^labels\.(.+)$/s)?.[1];
  return key ? t("labelNamed", { key }) : field in WORDS.en ? t(field as Word) : field;
}

/** The console's name of a field in a request. */
export function fieldText({ field }: FieldViolation): string {
  const search = `search_${field.replace(/\[\d+\]$/, "")}`;
  return search in WORDS.en ? t(search as Word) : fieldName(field.replace(/^task\./, ""));
}

/** What is wrong with a field; the service's own sentence if this console does not know the reason. */
export function violationText({ reason, parameters, description }: Omit<FieldViolation, "field">): string {
  const { violations } = words();
  if (!(reason in violations)) {
    return description;
  }
  const { min = "", max = "" } = parameters;
  const [least, most] = [filled("{min}", { min }), filled("{max}", { max })];
  const range = least === most ? least : least && most ? `${least}–${most}` : least ? `≥ ${least}` : `≤ ${most}`;
  return filled(violations[reason as keyof typeof violations], { ...parameters, range, description });
}

/** Why a task was changed: translated if the service changed it, else as the person wrote it. */
export function reasonText(code: ServiceReason, reason: string): string {
  const { services } = words();
  return services[ServiceReason[code] as keyof typeof services] ?? reason;
}
