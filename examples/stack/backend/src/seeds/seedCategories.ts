import { seedCategories } from "./categories";
import { run } from "./run";

void run("seedCategories", seedCategories);
