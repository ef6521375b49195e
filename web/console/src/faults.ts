// What went wrong, as a sentence in the viewer's language.

import { Code, type FieldFault, ServiceReason, type TaskError } from "@outbound-tasks/client";
import { FAULT_WORDS } from "./fault-words";
import { lang, number, t } from "./i18n";
import { type Word, WORDS } from "./words";

function words() {
  return FAULT_WORDS[lang.get()];
}

/** A sentence with its blanks filled; whole numbers as the viewer writes them. */
function filled(text: string, blanks: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = blanks[name] ?? "";
    return /^-?\d{1,15}$/.test(value) ? number(Number(value)) : value;
  });
}

/** Why a call failed, whether it is wrong in itself or the service has trouble. */
export function errorText({ code, reason, metadata }: TaskError): string {
  const { errors, codes } = words();
  const text = reason in errors ? errors[reason as keyof typeof errors] : codes[Code[code] as keyof typeof codes];
  return filled(text ?? codes.Unknown, metadata);
}

/** A field by the name that the console has for it; by the contract's where it has none. */
export function fieldText({ field }: FieldFault): string {
  const search = `search_${field.replace(/\[\d+\]$/, "")}`;
  const word = search in WORDS.en ? search : field;
  return word in WORDS.en ? t(word as Word) : field;
}

/** What is wrong with a field; of a reason that this console does not know, the service's own words. */
export function violationText({ reason, parameters, description }: FieldFault): string {
  const { violations } = words();
  if (!(reason in violations)) {
    return description;
  }
  const { min = "", max = "" } = parameters;
  const [least, most] = [filled("{min}", { min }), filled("{max}", { max })];
  const range = least && most ? `${least}–${most}` : least ? `≥ ${least}` : `≤ ${most}`;
  return filled(violations[reason as keyof typeof violations], { ...parameters, range });
}

/** Why a task was changed: in the words of whoever did it, or in the viewer's where the service did. */
export function reasonText(code: ServiceReason, reason: string): string {
  const { services } = words();
  return services[ServiceReason[code] as keyof typeof services] ?? reason;
}
