import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

/** Where pictures of what is tested go, if anybody wants them. */
export const SHOTS = process.env.SHOTS;

/** A picture of the window. */
export async function shot(page: Page, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png` });
}

/** Nothing on the page keeps people out who read or use it in other ways. */
export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map((v) => `${v.id}: ${v.nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
}

/** Where a question is typed. */
export const field = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });

/** All answers. */
export const answers = (page: Page) => page.locator('article:not(.user)');

/** The last answer. */
export const answer = (page: Page) => answers(page).last();
